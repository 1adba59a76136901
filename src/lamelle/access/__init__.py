"""People, roles and places, one `decide`, and how somebody proves who they are."""
