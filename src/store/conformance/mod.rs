//! What every store must do: one set of behaviours, run over each implementation by its own unit tests.
//!
//! An implementation says how it is made, reopened and crashed ([`Subject`]) and writes
//! `conformance_tests!(make, cases: 64)`, which makes one test per behaviour and one against a model with that many
//! random histories. The behaviours ask nothing but the contract of [`Store`](super::Store).

#![expect(missing_docs, reason = "a behaviour's name is its sentence")]

pub mod accepting;
pub mod closing;
pub mod configuring;
pub mod cutting;
pub mod documents;
pub mod filtering;
pub mod following;
pub mod holding;
pub mod kit;
pub mod listing;
pub mod lookups;
pub mod model;
pub mod offering;
pub mod pending;
pub mod recording;
pub mod requests;
pub mod tallying;

use std::sync::Arc;

use super::Store;
use crate::clock::ManualClock;
use crate::domain::Timestamp;

/// Where the clock of a new subject stands.
pub const START: Timestamp = Timestamp::from_ms(1_763_769_600_000);

/// A store under test, empty when it is made, with its clock at [`START`].
pub trait Subject {
    /// The store as it is now; another one after `reopen` and `crash`.
    fn store(&self) -> Arc<dyn Store>;

    /// Closes the store, opens it again and waits until it is ready.
    fn reopen(&mut self);

    /// Drops the store as a dying process would, without closing it, opens it again and waits until it is ready.
    fn crash(&mut self);

    /// Moves what was committed to where it stays (folding, checkpoint), and waits for that; nothing where there is no such thing.
    fn settle(&self);

    /// The clock the store reads.
    fn clock(&self) -> ManualClock;
}

/// Something that happens to a store between two questions.
pub type Happening = fn(&mut dyn Subject);

/// Makes one `#[test]` per behaviour. `make` is called for each: `Fn() -> Box<dyn Subject>`.
macro_rules! conformance_tests {
    ($make:expr, cases: $cases:expr) => {
        $crate::store::conformance::conformance_tests!(@each $make;
            accepting::a_request_becomes_one_ready_event_per_route,
            accepting::seqs_are_dense_and_rise_from_request_to_request,
            accepting::created_at_never_goes_back_with_the_clock,
            accepting::the_same_request_id_again_answers_as_before_and_stores_nothing,
            accepting::a_request_without_routes_is_taken_and_becomes_no_event,
            accepting::a_request_reads_back_byte_for_byte,
            accepting::the_largest_fan_out_is_all_there,
            accepting::requests_of_many_threads_get_seqs_of_their_own,
            closing::a_closed_store_refuses_changes,
            closing::what_was_submitted_before_closing_is_kept,
            closing::whether_an_end_was_idle_is_kept_by_an_orderly_one_alone,
            closing::a_commit_that_nobody_awaits_happens_all_the_same,
            configuring::every_kind_of_item_is_read_at_once_and_kept,
            configuring::a_conflict_puts_nothing_of_its_batch,
            configuring::an_item_is_replaced_by_its_next_version_only,
            configuring::the_ways_into_the_configuration_follow_its_changes,
            cutting::events_cut_by_their_connection_are_cancelled_and_never_pending_again,
            cutting::a_retry_brings_a_cut_event_back,
            cutting::what_a_queue_has_of_a_new_generation_comes_without_the_old,
            filtering::what_a_bulk_operation_asked_for_is_found_by_it,
            filtering::a_deleted_event_is_found_by_its_id_alone,
            filtering::filters_restrict_by_what_became_of_events,
            filtering::events_are_found_by_their_ids_and_those_of_their_requests,
            filtering::pages_by_the_last_attempt_walk_both_ways,
            documents::every_kind_of_document_is_read_at_once_and_kept,
            documents::a_document_is_replaced_by_its_next_version_only,
            documents::a_document_that_was_taken_away_is_gone_and_may_come_anew,
            documents::what_cannot_be_changed_together_is_not_changed_at_all,
            documents::changes_are_decided_in_the_order_of_submission,
            documents::documents_are_paged_both_ways_by_id,
            documents::a_request_stays_attached_until_its_document_goes,
            documents::erased_data_is_refused_to_every_reader,
            documents::further_events_of_a_request_are_found_and_listed_with_it,
            documents::what_is_not_there_is_not_found,
            following::what_is_created_and_changed_is_noted_while_somebody_follows,
            following::what_changes_nothing_is_not_noted,
            following::a_change_is_noted_before_it_is_answered_and_read_by_who_sees_it,
            following::rows_are_read_by_their_numbers,
            following::a_store_that_is_opened_again_knows_no_places_of_before,
            holding::what_is_on_hold_is_summed,
            holding::cut_and_settled_events_are_not_on_hold,
            listing::filters_restrict_by_every_field,
            listing::response_statuses_are_those_of_the_last_attempt,
            listing::pages_walk_both_ways_without_gap_or_repetition,
            listing::cursors_stay_in_place_while_new_events_arrive,
            listing::a_histogram_counts_on_its_edges,
            listing::the_status_follows_pause_and_due_time,
            listing::many_events_are_listed_as_few_are,
            lookups::ids_that_do_not_exist_are_not_found,
            lookups::neighbours_of_the_same_millisecond_are_told_apart,
            lookups::ids_that_wrap_in_their_random_part_are_found,
            offering::offers_arrive_in_order_with_body_and_permit,
            offering::the_offers_of_a_request_are_grouped_by_connection,
            offering::an_event_is_offered_once_and_visible_then,
            offering::the_permit_is_freed_by_the_last_holder_of_an_offer,
            pending::ready_events_come_by_due_time_and_seq,
            pending::waiting_events_appear_when_they_are_due,
            pending::ready_events_are_pending_whatever_their_due_time,
            pending::a_manual_retry_takes_the_place_of_its_due_time,
            pending::a_queue_with_equal_due_times_is_walked_by_cursor,
            pending::a_queue_shows_nothing_settled_and_nothing_of_others,
            pending::the_next_seq_passes_every_event_that_was_seen,
            recording::a_transition_is_seen_by_the_next_read,
            recording::a_stale_version_is_refused_and_changes_nothing,
            recording::an_unknown_event_cannot_be_changed,
            recording::transitions_are_decided_in_the_order_of_submission,
            recording::attempts_read_back_with_their_details,
            recording::every_phase_and_result_is_kept,
            recording::a_long_history_is_kept_whole,
            requests::requests_are_listed_whatever_became_of_them,
            requests::pages_of_requests_walk_both_ways_without_gap_or_repetition,
            requests::cursors_of_requests_stay_in_place_while_new_ones_arrive,
            requests::a_request_is_found_by_its_id_with_its_data,
            requests::requests_of_one_millisecond_are_told_apart,
            requests::many_requests_are_listed_as_few_are,
            requests::a_request_that_was_answered_before_is_listed_once,
            tallying::a_connection_is_told_what_waits_and_what_became_of_the_latest,
            tallying::what_a_connection_cut_counts_as_cancelled,
            tallying::many_connections_are_told_apart_as_few_are,
        );

        #[test]
        fn random_histories_agree_with_a_model() {
            $crate::store::conformance::model::random_histories_agree_with_a_model(&$make, $cases);
        }
    };
    (@each $make:expr; $($file:ident::$behaviour:ident,)+) => {
        $(
            #[test]
            fn $behaviour() {
                $crate::store::conformance::$file::$behaviour(&mut *$make());
            }
        )+
    };
}
pub(crate) use conformance_tests;
