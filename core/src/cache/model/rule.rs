//! What a world is made of: the rules that hold in it, and how much happens.

/// A rule whose absence must be noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// Redis keeps a fill only under the generation of now.
    FillsAreRefused,
    /// A value counts only with the stamp of now.
    StampsAreCompared,
    /// A stamp has the life of Redis in it.
    LivesDiffer,
    /// A stamp has the count of untold writes in it.
    CountsDiffer,
    /// A write that Redis cannot be told of is counted before its writer is answered.
    UntoldIsCounted,
    /// The processes follow that count.
    CountIsFollowed,
    /// What memory held before such news is asked for again.
    NewsIsDoubt,
    /// What is loaded just after such news counts as just changed.
    NewsIsYoung,
    /// What is loaded under a young generation is brief, and so is what is loaded just after a local invalidation.
    YoungIsBrief,
    /// An invalidation begins the next generation, not the next load.
    BirthIsChange,
    /// What Redis lost before a connection counts as just changed.
    LivesBeginYoung,
    /// What is loaded while Redis is away is gone as soon as what lay in memory.
    AwayIsBrief,
    /// A flight that an invalidation took out of the order keeps nothing.
    FlightsAreDetached,
    /// A write invalidates memory after it told Redis, too.
    MemoryIsForgottenTwice,
    /// A process does what a message says.
    MessagesAreHeard,
    /// An interrupted subscription makes a process ask again.
    GapIsDoubt,
    /// Nobody reads a Redis that has not been told what is remembered for it.
    ToldBeforeRead,
    /// The stream tells of every write, whatever became of its writer.
    StreamTells,
}

/// What may go wrong once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    /// The message to the second process is lost, without an interruption.
    Lose,
    /// Redis loses everything, and lives on.
    Flush,
    /// Redis begins another life with what it had some time ago.
    Restore,
    /// A process does not reach Redis any more, until it does.
    Cut(usize),
    /// The store does not count a write that Redis was not told of.
    Uncounted,
    /// The writer's process dies with its news, and another takes its place.
    Die,
}

/// How much happens in a world.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Flights of each process.
    pub flights: [u8; 2],
    /// Of the first process.
    pub writes: u8,
    /// Each once.
    pub faults: &'static [Fault],
    /// Whether the shared tiers have the value at first.
    pub filled: bool,
    /// Whether somebody reads the table's stream.
    pub streams: bool,
    pub seconds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Event {
    Second,
    /// The index has all writes.
    Index,
    /// A reader comes to this process, who finds nothing fresh in its memory.
    Read(usize),
    /// A process's flight, its first or second, takes a step.
    Fly(usize, usize),
    /// The first process's writer takes a step, or its reader of the stream.
    Write,
    /// The first process reads in the stream of every write that the store has taken.
    Stream,
    /// The second process hears what is on its way to it.
    Hear,
    /// The second process listens again, and knows that it may have missed something.
    Gap,
    /// The second process reads the count of untold writes.
    Follow,
    /// A process reaches Redis again, and tells it what it remembered.
    Reconnect(usize),
    /// That a process tells what it remembered, where reconnecting does not imply it.
    Tell,
    /// What Redis has is what it will have when it is restored.
    Copy,
    Fail(Fault),
}
