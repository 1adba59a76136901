"""What the HTTP doors share: errors to statuses, content negotiation."""
