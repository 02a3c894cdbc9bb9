//! The power goes: what was not synced is gone, the journal's own file system included.
//!
//! An ext4 in a file is shut down without flushing anything, as a power cut does it; only requests that were acknowledged
//! before that count. The machine's boot id stays, so the gateway cannot know of the cut: sled's files are what they are.

use hookgate::testkit::{GatewayProcess, Launch, PATIENCE, TestDestination, poll};

use crate::rig::{Mounted, data_on, run, skipped};
use crate::support::{Ledger, Seed, UnderLoad, all_events, flows, launch};

const CUTS: usize = 5;
/// Of the file system.
const DISK_MIB: u64 = 512;
/// Each cut comes after at most so many acknowledgements.
const ACKS_MAX: u64 = 3000;
const CONNECTIONS: usize = 4;
/// `EXT4_IOC_SHUTDOWN` with `EXT4_GOING_FLAGS_NOLOGFLUSH`: nothing more reaches the disk, not even what was journalled.
const SHUT_DOWN: &str = r#"
    open(my $file, "<", $ARGV[0]) or die "$!\n";
    my $flags = pack("L", 2);
    ioctl($file, 0x8004587D, $flags) or die "$!\n";
"#;

fn cut(disk: &Mounted) -> Result<(), String> {
    run("perl", &["-e", SHUT_DOWN, data_on(disk).join("lock").to_str().unwrap()])
}

/// Starts, and once more when the first run finds sled damaged: it says so and ends, and the next start makes it anew.
fn start(launch: &Launch) -> GatewayProcess {
    let mut gateway = launch.start();
    match gateway.wait(std::time::Duration::from_secs(1)) {
        Some(status) => {
            assert_eq!(status.code(), Some(70), "{}", gateway.output());
            launch.start()
        }
        None => gateway,
    }
}

#[test]
#[ignore = "needs root and takes long: make faults"]
#[expect(clippy::print_stderr, reason = "what became of sled is worth knowing")]
fn nothing_acknowledged_is_lost_in_five_power_cuts_and_the_state_is_as_one_made_anew() {
    let disk = match Mounted::ext4(DISK_MIB) {
        Ok(disk) => disk,
        Err(why) => return skipped(&why),
    };
    let mut seed = Seed::new();
    let destination = TestDestination::start();
    let mut ledger = Ledger::default();
    let launch = launch(&data_on(&disk));
    let mut gateway = launch.start();
    let flows = flows(&gateway.client(), CONNECTIONS, &destination);
    for number in 0..CUTS {
        let load = UnderLoad::start(&gateway, &flows, ledger.next_number);
        load.wait_for_acks(seed.below(ACKS_MAX));
        // Acknowledged before the cut, for certain; what is under way during the cut may be or not be.
        ledger.add(&load.stop());
        let across = UnderLoad::start(&gateway, &flows, ledger.next_number);
        across.wait_for_acks(1 + seed.below(100));
        // What nobody synced shows whether the cut was one.
        let witness = disk.path().join(format!("witness-{number}"));
        std::fs::write(&witness, "unsynced").unwrap();
        if let Err(why) = cut(&disk) {
            across.stop();
            return skipped(&format!("the file system cannot be shut down: {why}"));
        }
        gateway.kill();
        ledger.next_number = across.stop().next_number;
        let back = poll(PATIENCE, || disk.remount().ok());
        assert!(back.is_some(), "the file system does not come back: {:?}", disk.remount());
        assert!(!std::fs::read(&witness).is_ok_and(|bytes| !bytes.is_empty()), "it cut nothing");
        gateway = start(&launch);
        let said = gateway.output();
        let sled = if said.contains("state is rebuilt") { "was rebuilt" } else { "was trusted" };
        eprintln!("cut {number}: sled {sled}");
    }
    // What ended while nothing could be recorded any more is sent again: more than were in flight.
    ledger.settle(&gateway.client(), &destination, usize::MAX);

    let lived = all_events(&gateway.client());
    let ended = gateway.stop();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    let rebuilt = launch.clone().arguments(&["rebuild"]).run_to_end();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", rebuilt.output);
    assert!(all_events(&launch.start().client()) == lived, "the state had drifted from the journal");
}
