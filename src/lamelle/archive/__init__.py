"""Every image once, for as long as policy says."""
