//! Many changes, some under way while others are put down.

use super::fleet::{Node, Pauses, World, cleared};
use super::*;

/// A record that takes its time.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    down: BTreeMap<SensorId, Instant>,
    /// Put down, and what became of it is not told.
    open: usize,
    most_open: usize,
    /// How many appends it takes before it is lost.
    takes: usize,
}

/// Of one append.
const APPEND: Duration = Duration::from_millis(20);

impl Intentions for Slow {
    async fn intend(&mut self, intentions: &[Intention]) -> Result<Vec<Intended>, RecordError> {
        tokio::time::sleep(APPEND).await;
        let mut book = self.0.lock().unwrap();
        if book.takes == 0 {
            return Err(RecordError::LockNotSure);
        }
        book.takes -= 1;
        for intention in intentions {
            let Target::Sensor(sensor) = intention.target else { unreachable!("hosts only") };
            book.down.insert(sensor, Instant::now());
        }
        book.open += intentions.len();
        book.most_open = book.most_open.max(book.open);
        Ok((0..intentions.len() as u64).map(IntentionNumber).map(Intended::MaySend).collect())
    }

    fn outcomes(&mut self, _at: Timestamp, outcomes: &[(IntentionNumber, WriteOutcome)]) {
        self.0.lock().unwrap().open -= outcomes.len();
    }

    fn lease(&self) -> Lease {
        Lease::watched(Arc::new(AtomicBool::new(true)))
    }

    async fn hold_since(&mut self, _subject: Subject, _at: Timestamp) -> Result<Option<Hold>, RecordError> {
        Ok(None)
    }
}

/// Who was told to have ended, in that order.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn notice(&self, event: Event) {
        if let Event::Ended { outcome, .. } = event {
            self.0.lock().unwrap().push(outcome.change.whom.label());
        }
    }
}

struct Ran {
    outcome: ServerOutcome,
    told: Vec<String>,
    world: World,
    book: Book,
    took: Duration,
}

const HOSTS: u8 = 200;
const CONCURRENCY: u8 = 8;

/// Isolates many hosts; each request takes two milliseconds, but for the first, which takes `first` more.
async fn ran(first: u64, takes: usize) -> Ran {
    let changes = (1..=HOSTS).map(|n| sample::isolate(sample::host(n, &format!("WS-{n:03}"))));
    let cleared = cleared(Purpose::Contain, changes.collect());
    let node = Node {
        who: 1,
        world: Arc::default(),
        pauses: Pauses(Arc::new(Mutex::new([first].into()))),
        fates: Arc::default(),
    };
    let (_stop, stopped) = watch::channel(Stop::No);
    let (began, told) = (Instant::now(), Told::default());
    let mut journal = Slow::default();
    journal.0.lock().unwrap().takes = takes;
    let server = Server {
        client: &node,
        clock: &Paused(began),
        observer: &told,
        stop: stopped,
        concurrency: usize::from(CONCURRENCY),
        pace: Pace::default(),
        rollout: &AT_ONCE,
    };
    let outcome = execute(&cleared.servers().next().unwrap(), server, &mut journal).await;
    let (world, book) = (std::mem::take(&mut *node.world.lock().unwrap()), &mut *journal.0.lock().unwrap());
    Ran {
        outcome,
        told: told.0.into_inner().unwrap(),
        world,
        book: std::mem::take(book),
        took: began.elapsed(),
    }
}

fn is_nothing_sent_before_it_is_down(ran: &Ran) -> bool {
    ran.world.arrived.iter().all(|write| ran.book.down.get(&write.sensor).is_some_and(|at| *at <= write.at))
}

fn in_the_order_of_the_plan() -> Vec<String> {
    (1..=HOSTS).map(|n| format!("WS-{n:03}")).collect()
}

#[tokio::test(start_paused = true)]
async fn connections_do_not_wait_for_the_record() {
    let ran = ran(1, usize::MAX).await;
    assert!(ran.outcome.changes.iter().all(|ended| ended.result.is_done()));
    assert!(is_nothing_sent_before_it_is_down(&ran));
    assert_eq!(ran.told, in_the_order_of_the_plan());
    // A look, a write and a look: 25 rounds of six milliseconds, and nothing can be sent before the first append.
    let busy = Duration::from_millis(6) * u32::from(HOSTS / CONCURRENCY);
    assert_eq!(ran.took, APPEND + busy);
    assert_eq!((ran.book.most_open, ran.book.open), (100, 0), "who is killed leaves no more to be settled");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_one_that_takes_long() {
    let ran = ran(60_000, usize::MAX).await;
    let took: Vec<Duration> =
        ran.world.arrived.iter().map(|write| write.at - ran.book.down[&write.sensor]).collect();
    assert_eq!(took.iter().filter(|took| **took > Duration::from_secs(1)).count(), 1, "{took:?}");
    let order: Vec<String> = ran.outcome.changes.iter().map(|ended| ended.change.whom.label()).collect();
    assert_eq!((&order, &ran.told), (&in_the_order_of_the_plan(), &order));
    assert!(ran.outcome.changes.iter().all(|ended| ended.result.is_done()));
    assert_eq!((ran.book.most_open, ran.book.open), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn where_the_record_is_lost_what_is_under_way_ends_and_nothing_else_begins() {
    let ran = ran(1, 1).await;
    assert_eq!(ran.outcome.stopped.as_ref().map(|stopped| stopped.by), Some(StoppedBy::Lock));
    assert!(is_nothing_sent_before_it_is_down(&ran));
    let words: Vec<_> = ran.outcome.changes.iter().map(|ended| ended.result.as_str()).collect();
    let done = words.iter().filter(|word| **word == "done").count();
    assert_eq!(done, ran.world.arrived.len(), "what was sent is read back: {words:?}");
    assert!(done >= 50 && words[done..].iter().all(|word| *word == "not_tried"), "{words:?}");
    assert_eq!((words.len(), ran.told), (usize::from(HOSTS), in_the_order_of_the_plan()));
    assert_eq!(ran.book.open, 0, "what became of each is told to the record");
}
