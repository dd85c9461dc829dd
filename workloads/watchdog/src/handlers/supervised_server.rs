//! A server that is to run for ever: it is started again whenever it ends.

use crate::programs::Programs;
use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

const START_AGAIN_AFTER: Duration = Duration::from_secs(1);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Who has not listened by then may never do so, for one that listens elsewhere looks the same from here.
const LISTENS_WITHIN: Duration = Duration::from_secs(5);
/// A server that goes to the background may listen only after the process that was started has ended.
const BACKGROUND_WITHIN: Duration = Duration::from_secs(2);
/// One in the background is over when it has not listened so often.
const MISSES: u32 = 3;

/// The program, and where it listens.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) argv: Vec<String>,
    pub(super) authority: String,
    pub(super) programs: Programs,
    /// Nobody needs it any more.
    pub(super) ending: CancellationToken,
    pub(super) is_ready: Arc<AtomicBool>,
}

impl Server {
    async fn listens(&self) -> bool {
        TcpStream::connect(&self.authority).await.is_ok()
    }

    async fn until_it_listens(&self) {
        while !self.listens().await {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    /// Starts it again and again; each time it is ready when it listens.
    pub(super) async fn keep(self) {
        let ending = self.ending.clone();
        // What it holds is ended with it.
        ending
            .run_until_cancelled(async {
                loop {
                    self.run_once().await;
                    self.is_ready.store(false, Ordering::Relaxed);
                    tokio::time::sleep(START_AGAIN_AFTER).await;
                }
            })
            .await;
    }

    async fn run_once(&self) {
        // Our own port is not its port.
        let port = self
            .authority
            .rsplit_once(':')
            .map_or("80", |(_, port)| port);
        let started = self.programs.start(&self.argv, None, |command| {
            command
                .env("port", port)
                .stdin(Stdio::null())
                .stdout(self.programs.log())
                .stderr(self.programs.log());
        });
        let mut program = match started {
            Ok(program) => program,
            Err(error) => {
                tracing::error!("start `{}`: {error}", self.argv[0]);
                return;
            }
        };
        program.log(true);
        let listens = async {
            let listening = self.until_it_listens();
            if tokio::time::timeout(LISTENS_WITHIN, listening)
                .await
                .is_err()
            {
                tracing::warn!(
                    "nothing listens at {} {LISTENS_WITHIN:?} after `{}` was started: no call can be made until something \
                     does; upstream_url must say where it listens (localhost may be ::1, and not 127.0.0.1)",
                    self.authority,
                    self.argv[0]
                );
                self.until_it_listens().await;
            }
            self.is_ready.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            () = listens => return,
            ended = program.ended() => ended,
        };
        let status = match ended {
            Ok(status) => status,
            Err(error) => {
                tracing::error!("wait for the program: {error}");
                return;
            }
        };
        let goes_on = self.goes_on(status.success()).await;
        match (goes_on, self.listens().await) {
            (true, _) => self.in_background().await,
            (false, true) => tracing::error!(
                "the program ended: {status}; another one listens at {}, which is why it cannot",
                self.authority
            ),
            (false, false) => tracing::error!("the program ended: {status}"),
        }
    }

    /// Whether what it left behind is the server.
    async fn goes_on(&self, ended_well: bool) -> bool {
        if !ended_well && !self.programs.has_orphans() {
            return false;
        }
        let listening = self.until_it_listens();
        let patience = if self.programs.has_orphans() {
            BACKGROUND_WITHIN
        } else {
            LOOK_AGAIN_AFTER
        };
        tokio::time::timeout(patience, listening).await.is_ok()
    }

    /// Its end is not seen, so it is looked for.
    async fn in_background(&self) {
        tracing::error!(
            "`{}` went to the background and listens at {}: calls are made, but what it says at its end is not known; \
             start it in the foreground, as with nginx -g 'daemon off;'",
            self.argv[0],
            self.authority
        );
        self.is_ready.store(true, Ordering::Relaxed);
        let mut misses = 0;
        while misses < MISSES {
            tokio::time::sleep(START_AGAIN_AFTER).await;
            misses = if self.listens().await { 0 } else { misses + 1 };
        }
        tracing::error!("nothing listens at {} any more", self.authority);
    }
}
