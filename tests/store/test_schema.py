from engine import store


def test_waiting_times_are_of_the_event_or_of_the_end():
    rows = {
        "onset_step": [5.5, None, None],
        "hitting_step": [None, 7, None],
        "steps_run": [44, 7, 44],
        "event": [1, 1, 0],
    }
    assert store.waiting_times(rows).tolist() == [5.5, 7.0, 44.0]
