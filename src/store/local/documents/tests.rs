//! What the overlay keeps of documents, and what sled makes of it.
