"""Which recipe suits the hero: profiles by model and size, what memory allows, and a quest's own keys over them."""
