"""Where blobs live: a folder or an S3 object store, behind one Protocol."""
