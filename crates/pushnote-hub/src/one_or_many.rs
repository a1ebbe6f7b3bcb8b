//! A list that needs no allocation while it has one item at most, as nearly all lists of an index have.

#[derive(Debug)]
pub(crate) enum OneOrMany<T> {
    None,
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::None => &mut [],
            Self::One(item) => std::slice::from_mut(item),
            Self::Many(items) => items,
        }
    }

    pub(crate) fn push(&mut self, item: T) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(item),
            Self::One(first) => Self::Many(vec![first, item]),
            Self::Many(mut items) => {
                items.push(item);
                Self::Many(items)
            }
        };
    }

    /// Removes the item at `at` and puts the last one in its place.
    ///
    /// # Panics
    ///
    /// If there is no such item.
    pub(crate) fn swap_remove(&mut self, at: usize) -> T {
        match std::mem::replace(self, Self::None) {
            Self::One(item) if at == 0 => item,
            Self::Many(mut items) => {
                let item = items.swap_remove(at);
                *self = if items.is_empty() { Self::None } else { Self::Many(items) };
                item
            }
            _ => panic!("no item at {at}"),
        }
    }
}
