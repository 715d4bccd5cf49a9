//! A connection between the host and its broker that can be made to lose what the host says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};

/// Passes connections on to a broker on this machine.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    broker: u16,
    /// What the host's subscribing client says after it has connected is dropped.
    mute: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    pub(crate) fn start(broker: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("failed to listen for the host")?;
        let port = listener.local_addr().context("failed to listen for the host")?.port();
        let shared = Arc::new(Shared { broker, mute: AtomicBool::new(false), open: Mutex::default() });
        let accepting = Arc::clone(&shared);
        // Ends with the process: a test's threads are few.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&accepting);
                // A side that closes ends the connection; the host connects again.
                std::thread::spawn(move || drop(shared.pass(stream)));
            }
        });
        Ok(Self { port, shared })
    }

    /// From now on the broker hears no acknowledgement of the host's.
    pub(crate) fn mute(&self) {
        self.shared.mute.store(true, Ordering::SeqCst);
    }

    /// Cuts every connection; those that come after it are heard again.
    pub(crate) fn cut(&self) {
        self.shared.mute.store(false, Ordering::SeqCst);
        for stream in self.shared.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // One that is closed already is cut.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn pass(&self, mut host: TcpStream) -> std::io::Result<()> {
        let mut broker = TcpStream::connect(("127.0.0.1", self.broker))?;
        for stream in [&host, &broker] {
            stream.set_nodelay(true)?;
            self.open.lock().unwrap_or_else(PoisonError::into_inner).push(stream.try_clone()?);
        }
        let (mut from, mut to) = (broker.try_clone()?, host.try_clone()?);
        std::thread::spawn(move || {
            // Ends when either side does.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let mut buffer = [0; 16 * 1024];
        let mut subscribes = None;
        loop {
            let read = host.read(&mut buffer)?;
            if read == 0 {
                return broker.shutdown(Shutdown::Both);
            }
            // The first packet names the client.
            let first = || buffer[..read].windows(3).any(|bytes| bytes == b"-in");
            let subscribes = *subscribes.get_or_insert_with(first);
            if !(subscribes && self.mute.load(Ordering::SeqCst)) {
                broker.write_all(&buffer[..read])?;
            }
        }
    }
}
