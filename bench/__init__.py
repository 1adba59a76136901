"""What is measured, side by side with peers; the README says how to run it and how to read it."""
