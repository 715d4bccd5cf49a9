//! Opening a store: create it or migrate it, lock it, and read from it what a process needs before it runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use model::{DeviceNo, Instant, Name};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::backup::BackupError;
use crate::books::End;
use crate::commit::OutboxRow;
use crate::connection::{self, Medium};
use crate::entry::{JournalEntry, Loaded, Placed, Visit};
use crate::error::{self, Error};
use crate::lock::{Lock, LockError};
use crate::migrate;
use crate::options::Options;
use crate::query;
use crate::reader::Reader;
use crate::schema::{self, APPLICATION_ID, FILE_NAME, TABLES, VERSION};
use crate::writer::{Thread, Writer};

/// A store that this process has to itself and that does not run yet: load the partitions, then [`Store::into_writer`].
pub struct Store {
    path: PathBuf,
    options: Options,
    medium: Medium,
    lock: Lock,
    connection: Connection,
    partitions: u16,
    start_number: u64,
    /// By partition: the sequence that its next row must have.
    next: Vec<u64>,
}

/// Why a store did not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to use the data folder {}", path.display())]
    Folder {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the store in {} is in use by another process", folder.display())]
    Locked { folder: PathBuf },
    #[error("the store has version {found}, and this program knows versions up to {supported}: use a newer program")]
    Newer { found: u32, supported: u32 },
    #[error("the store has version {found}, and this program reads version {supported}: start the host to migrate it")]
    Older { found: u32, supported: u32 },
    #[error("no way leads from version {found} of the store to version {supported}")]
    NoMigration { found: u32, supported: u32 },
    #[error("{} is a database of another program", path.display())]
    Foreign { path: PathBuf },
    #[error("there is no store at {}", path.display())]
    Missing { path: PathBuf },
    #[error("failed to copy the store before its migration")]
    Copy(#[source] BackupError),
    #[error("failed to {doing} the store {}", path.display())]
    Database {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
}

impl Store {
    /// Opens the store in this folder, creating both when they are not there. Counts the start.
    ///
    /// # Errors
    /// Among others when another process has it open, when its version is newer than this program's, or when the disk
    /// is full.
    ///
    /// # Panics
    /// When `options.partitions` is 0.
    pub fn open(folder: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_on(folder, options, Medium::default())
    }

    /// [`Store::open`] on a disk whose limits a test chooses.
    ///
    /// # Errors
    /// As [`Store::open`].
    ///
    /// # Panics
    /// When `options.partitions` is 0.
    pub fn open_on(folder: &Path, options: &Options, medium: Medium) -> Result<Self, OpenError> {
        assert!(options.partitions > 0, "a store has at least one partition");
        let io = |source| OpenError::Folder { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(io)?;
        let lock = Lock::take(folder).map_err(|error| match error {
            LockError::Held => OpenError::Locked { folder: folder.to_owned() },
            LockError::Io(source) => io(source),
        })?;
        let path = folder.join(FILE_NAME);
        let database = |doing| OpenError::database(doing, &path);
        let connection = connection::writing(&path).map_err(database("open"))?;
        medium.apply(&connection).map_err(database("open"))?;
        if connection::is_blank(&connection).map_err(database("read"))? {
            create(&connection, options.partitions).map_err(database("create"))?;
        }
        let found = version(&connection, &path)?;
        migrate::migrate(&connection, &path, found)?;
        let partitions = partitions(&connection).map_err(database("read"))?;
        let start_number = count_start(&connection).map_err(database("write to"))?;
        let tails = (0..partitions).map(|partition| End::tail(&connection, partition));
        let next = tails.map(|tail| Ok(tail?.sequence + 1)).collect::<Result<_, _>>().map_err(database("read"))?;
        // The database syncs its files; that they stand in the folder is synced here.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
        Ok(Self { path, options: *options, medium, lock, connection, partitions, start_number, next })
    }

    /// How many partitions the store has, counted from 0; fixed when it was created.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.partitions
    }

    /// How often the store was opened for writing, this time included. No two runs see the same number.
    #[must_use]
    pub fn start_number(&self) -> u64 {
        self.start_number
    }

    /// The lasting numbers of these devices, in this order; a name that has none gets the next one, from 1 on.
    ///
    /// # Errors
    /// When the database could not be written.
    pub fn number_devices(&self, ids: &[Name]) -> Result<Vec<DeviceNo>, Error> {
        query::number_devices(&self.connection, ids).map_err(Error::doing("number the devices"))
    }

    /// Shows `row` every row of a partition's state, table by table in the order of their numbers, by key.
    ///
    /// # Errors
    /// When the partition does not exist or the database could not be read.
    pub fn load(&self, partition: u16, row: &mut Visit<'_>) -> Result<Loaded, Error> {
        self.check(partition)?;
        let sequence = query::load(&self.connection, partition, row).map_err(Error::doing("load a partition"))?;
        Ok(Loaded { sequence })
    }

    /// The newest sign of life that a host gave while nothing happened.
    ///
    /// # Errors
    /// When the database could not be read.
    pub fn alive(&self) -> Result<Option<Instant>, Error> {
        let found = query::meta(&self.connection, "alive").optional();
        Ok(found.map_err(Error::doing("read the last sign of life"))?.map(Instant))
    }

    /// The first `limit` effects that wait for their sink, in the order in which they were committed.
    ///
    /// # Errors
    /// When the database could not be read or an entry cannot be decoded.
    pub fn outbox(&self, limit: usize) -> Result<Vec<Placed<OutboxRow>>, Error> {
        query::outbox(&self.connection, limit).map_err(Error::doing("read the outbox"))
    }

    /// The last `count` journal rows of a partition, in order.
    ///
    /// # Errors
    /// When the partition does not exist or the database could not be read.
    pub fn journal_tail(&self, partition: u16, count: usize) -> Result<Vec<JournalEntry>, Error> {
        self.check(partition)?;
        query::journal_tail(&self.connection, partition, count).map_err(Error::doing("read the journal"))
    }

    /// Starts the writer thread. From here on the writer has the store to itself, and the reader looks on.
    #[must_use]
    pub fn into_writer(self) -> (Writer, Reader) {
        let reader = Reader::over(self.path.clone(), self.partitions);
        let thread = Thread {
            path: self.path,
            medium: self.medium,
            options: self.options,
            partitions: self.partitions,
            connection: Some(self.connection),
            lock: self.lock,
        };
        (Writer::start(thread, self.next), reader)
    }

    fn check(&self, partition: u16) -> Result<(), Error> {
        let partitions = self.partitions;
        if partition < partitions { Ok(()) } else { Err(Error::Partition { partition, partitions }) }
    }
}

impl OpenError {
    /// Whether there was no room on the disk: worth another try.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Folder { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::Database { source, .. } => error::is_full(source),
            Self::Copy(BackupError::File { source, .. }) => source.kind() == io::ErrorKind::StorageFull,
            Self::Copy(BackupError::Database { source, .. }) => error::is_full(source),
            Self::Copy(BackupError::Store(error)) => error.is_full(),
            Self::Copy(BackupError::Damaged { .. } | BackupError::Busy)
            | Self::Locked { .. }
            | Self::Newer { .. }
            | Self::Older { .. }
            | Self::NoMigration { .. }
            | Self::Foreign { .. }
            | Self::Missing { .. } => false,
        }
    }

    pub(crate) fn database(doing: &'static str, path: &Path) -> impl FnOnce(rusqlite::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Database { doing, path, source }
    }
}

/// The version of a database that is ours and not too new.
pub(crate) fn version(connection: &Connection, path: &Path) -> Result<u32, OpenError> {
    let (mark, found) = connection::identity(connection).map_err(OpenError::database("read", path))?;
    if mark != APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > VERSION {
        return Err(OpenError::Newer { found, supported: VERSION });
    }
    Ok(found)
}

pub(crate) fn partitions(connection: &Connection) -> rusqlite::Result<u16> {
    let partitions = query::meta(connection, "partitions")?;
    u16::try_from(partitions).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, partitions))
}

/// All in one transaction: a crash leaves a blank file or a whole store.
fn create(connection: &Connection, partitions: u16) -> rusqlite::Result<()> {
    let transaction = rusqlite::Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO meta (name, value) VALUES ('partitions', ?1), ('starts', 0)", [partitions])?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    transaction.commit()
}

fn count_start(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'starts'", [])?;
    query::meta(connection, "starts").map(i64::cast_unsigned)
}
