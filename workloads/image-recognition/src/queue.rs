//! A queue bounded in bytes. Producers never wait: what does not fit is dropped and counted.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

/// Something with a size.
pub(crate) trait HasBytes {
    /// Bytes it holds on to.
    fn bytes(&self) -> u64;
}

struct Inner<T> {
    items: VecDeque<T>,
    bytes: u64,
    dropped: u64,
    in_work: u64,
    closed: bool,
}

pub(crate) struct ByteQueue<T> {
    inner: Mutex<Inner<T>>,
    filled: Condvar,
    limit_bytes: u64,
}

impl<T: HasBytes> ByteQueue<T> {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self {
            inner: Mutex::new(Inner {
                items: VecDeque::new(),
                bytes: 0,
                dropped: 0,
                in_work: 0,
                closed: false,
            }),
            filled: Condvar::new(),
            limit_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item, or drops it when the queue is full.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut inner = self.lock();
        if inner.closed || inner.bytes + item.bytes() > self.limit_bytes {
            inner.dropped += 1;
            return false;
        }
        inner.bytes += item.bytes();
        inner.items.push_back(item);
        self.filled.notify_one();
        true
    }

    /// Waits for an item; `None` once the queue is closed and empty. The caller says [`Self::done`] after its work.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut inner = self.lock();
        loop {
            if let Some(item) = inner.items.pop_front() {
                inner.bytes -= item.bytes();
                inner.in_work += 1;
                return Some(item);
            }
            if inner.closed {
                return None;
            }
            inner = self
                .filled
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One popped item is dealt with.
    pub(crate) fn done(&self) {
        let mut inner = self.lock();
        inner.in_work = inner.in_work.saturating_sub(1);
    }

    /// Nothing waits and nothing is in work.
    pub(crate) fn is_idle(&self) -> bool {
        let inner = self.lock();
        inner.items.is_empty() && inner.in_work == 0
    }

    /// Lets every waiting `pop` end.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasBytes for Vec<u8> {
        fn bytes(&self) -> u64 {
            self.len() as u64
        }
    }

    #[test]
    fn full_drops_and_counts_and_close_ends_waiting() {
        let queue = std::sync::Arc::new(ByteQueue::new(10));
        assert!(queue.push(vec![0; 6]));
        assert!(!queue.push(vec![0; 5]));
        assert!(queue.push(vec![0; 4]));
        assert_eq!(queue.dropped(), 1);
        assert_eq!(queue.pop().unwrap().len(), 6);
        assert!(!queue.is_idle());
        queue.done();
        assert_eq!(queue.pop().unwrap().len(), 4);
        queue.done();
        assert!(queue.is_idle());
        let waiting = std::thread::spawn({
            let queue = std::sync::Arc::clone(&queue);
            move || queue.pop()
        });
        queue.close();
        assert!(waiting.join().unwrap().is_none());
    }
}
