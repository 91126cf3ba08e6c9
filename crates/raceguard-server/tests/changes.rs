//! Changes beside batches: one that is in the way of another transaction is tried again, a few times.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raceguard_server::store::{Store, StoreError};
use support::{Backend, Scratch};

on_both!(what_is_in_the_way_of_another_is_tried_again);

async fn what_is_in_the_way_of_another_is_tried_again(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place().clone();
    let store = tokio::task::spawn_blocking(move || Store::open(place, Vec::new())).await;
    let store = store.expect("it runs").expect("it opens");
    let tries = Arc::new(AtomicU64::new(0));
    // Fails after it has changed something, so that a try that is not taken back would show.
    let change = |conflicts: u64| {
        let tries = Arc::clone(&tries);
        store.writer.change(move |connection| {
            connection.execute("UPDATE total SET blocks = blocks + 1", &[])?;
            if tries.fetch_add(1, Ordering::SeqCst) < conflicts {
                return Err(StoreError::Conflict("a deadlock".to_owned()));
            }
            let row = connection.row("SELECT blocks FROM total", &[])?;
            row.ok_or(StoreError::Incomplete("total"))?.get::<i64>(0)
        })
    };
    assert_eq!(change(2).await.expect("it is made"), 1);
    assert_eq!(tries.swap(0, Ordering::SeqCst), 3);
    let refused = change(u64::MAX).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
    assert_eq!(tries.swap(0, Ordering::SeqCst), 5, "not for ever");
    assert_eq!(change(0).await.expect("it is made"), 2, "nothing was kept of what was refused");
}
