"""What a hero has achieved: rules over the past, each with the moment that proves it."""
