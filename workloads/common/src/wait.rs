//! Waits that end: each has a deadline, and its error says what it waited for and what it saw last.

use std::time::Duration;
use tokio::time::Instant;

/// How long and how often something is tried that may pass by itself. Time counts from the first failure on.
#[derive(Debug, Clone)]
pub struct Patience {
    within: Duration,
    every: Duration,
    since: Option<Instant>,
}

impl Patience {
    pub fn new(within: Duration, every: Duration) -> Self {
        Self {
            within,
            every,
            since: None,
        }
    }

    /// Pauses before another try; the error itself once the time is over.
    pub async fn again<E>(&mut self, error: E) -> Result<(), E> {
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= self.within {
            return Err(error);
        }
        tokio::time::sleep(self.every).await;
        Ok(())
    }

    /// It succeeded, and begins anew.
    pub fn renew(&mut self) {
        self.since = None;
    }
}

/// A wait for what nobody tells of, so that it is looked for.
#[derive(Debug, Clone)]
pub struct Wait {
    what: String,
    patience: Patience,
}

/// It was not seen in time.
#[derive(Debug, PartialEq, Eq)]
pub struct Late {
    pub what: String,
    pub after: Duration,
    /// Seen instead; may be empty.
    pub last: String,
}

impl Wait {
    /// `what` fits after "wait for".
    pub fn new(what: impl Into<String>, within: Duration, every: Duration) -> Self {
        Self {
            what: what.into(),
            patience: Patience::new(within, every),
        }
    }

    /// Pauses before another look, after one that saw something else.
    pub async fn again(&mut self, seen: impl Into<String>) -> Result<(), Late> {
        let again = self.patience.again(seen.into()).await;
        again.map_err(|last| Late {
            what: self.what.clone(),
            after: self.patience.within,
            last,
        })
    }
}

/// Waits for work that ends by itself, and gives it up at a deadline; `what` fits after "wait for".
pub async fn within<T>(
    after: Duration,
    what: impl Into<String>,
    work: impl Future<Output = T>,
) -> Result<T, Late> {
    let waited = tokio::time::timeout(after, work).await;
    waited.map_err(|_| Late {
        what: what.into(),
        after,
        last: String::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_at_its_deadline_with_what_was_seen_last() {
        let begun = Instant::now();
        let mut wait = Wait::new("three", 5 * SECOND, SECOND);
        let mut looks = 0;
        let late = loop {
            looks += 1;
            if let Err(late) = wait.again(looks.to_string()).await {
                break late;
            }
        };
        let want = Late {
            what: "three".into(),
            after: 5 * SECOND,
            last: "6".into(),
        };
        assert_eq!((late, looks, begun.elapsed()), (want, 6, 5 * SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn work_is_given_up_at_its_deadline() {
        let slow = || tokio::time::sleep(2 * SECOND);
        let late = within(SECOND, "a sleeper", slow()).await.unwrap_err();
        let seen = (&*late.what, late.after, &*late.last);
        assert_eq!(seen, ("a sleeper", SECOND, ""));
        within(3 * SECOND, "a sleeper", slow()).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn time_counts_from_the_first_failure_and_anew_after_success() {
        let mut patience = Patience::new(3 * SECOND, SECOND);
        tokio::time::sleep(60 * SECOND).await;
        for _ in 0..2 {
            let begun = Instant::now();
            while patience.again(()).await.is_ok() {}
            assert_eq!(begun.elapsed(), 3 * SECOND);
            patience.renew();
        }
    }
}
