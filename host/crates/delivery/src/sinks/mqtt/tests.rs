//! To real receivers.
