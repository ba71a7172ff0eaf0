"""What the importers make of documents, without a service."""
