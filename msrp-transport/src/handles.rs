//! From a node's name of a connection to the driver's.

use msrp_core::node::ConnectionHandle;

/// The driver's key of each connection that the node knows; 16 octets for each.
#[derive(Debug, Default)]
pub(crate) struct Handles(Vec<Option<(ConnectionHandle, usize)>>);

impl Handles {
    /// The key of a connection, unless it is gone.
    pub(crate) fn key(&self, handle: ConnectionHandle) -> Option<usize> {
        match self.0.get(handle.index()) {
            Some(&Some((known, key))) if known == handle => Some(key),
            _ => None,
        }
    }

    pub(crate) fn insert(&mut self, handle: ConnectionHandle, key: usize) {
        let index = handle.index();
        if index >= self.0.len() {
            self.0.resize(index + 1, None);
        }
        if let Some(entry) = self.0.get_mut(index) {
            *entry = Some((handle, key));
        }
    }

    pub(crate) fn remove(&mut self, handle: ConnectionHandle) {
        if let Some(entry) = self.0.get_mut(handle.index())
            && entry.is_some_and(|(known, _)| known == handle)
        {
            *entry = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_used_again_hides_its_former_connection() {
        let (old, new) = (
            ConnectionHandle::from_parts(3, 1),
            ConnectionHandle::from_parts(3, 2),
        );
        let mut handles = Handles::default();
        handles.insert(old, 10);
        assert_eq!(handles.key(old), Some(10));
        handles.insert(new, 11);
        assert_eq!((handles.key(old), handles.key(new)), (None, Some(11)));
        handles.remove(old);
        assert_eq!(handles.key(new), Some(11));
        handles.remove(new);
        assert_eq!(handles.key(new), None);
    }
}
