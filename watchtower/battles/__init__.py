"""What a battle has come to: its figures, several beside each other, a sentence on them, a report to hand on."""
