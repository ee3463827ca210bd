update parked_events
set error = $3, attempts = attempts + 1,
    next_attempt_at = clock_timestamp() + make_interval(secs => least($5, $4 * power(2, least(attempts, 30))))
where consumer = $1 and position = $2
