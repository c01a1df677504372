//! The status lists that are held, by their address.

use std::collections::HashMap;
use std::sync::Arc;

use super::StatusList;

/// Status lists by URI. Cloning is cheap: the lists are shared.
#[derive(Clone, Debug, Default)]
pub struct StatusLists(HashMap<Box<str>, Arc<StatusList>>);

impl StatusLists {
    /// The list at this very URI.
    pub fn find(&self, uri: &str) -> Option<&Arc<StatusList>> {
        self.0.get(uri)
    }

    /// Puts the list in, in the place of an earlier one of its URI.
    pub fn insert(&mut self, list: impl Into<Arc<StatusList>>) {
        let list = list.into();
        self.0.insert(list.uri().into(), list);
    }

    /// Takes the list of this URI out.
    pub fn remove(&mut self, uri: &str) {
        self.0.remove(uri);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<L: Into<Arc<StatusList>>> FromIterator<L> for StatusLists {
    fn from_iter<I: IntoIterator<Item = L>>(lists: I) -> Self {
        let mut all = Self::default();
        for list in lists {
            all.insert(list);
        }
        all
    }
}
