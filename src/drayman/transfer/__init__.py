"""Moving queues, tasks and dead letters between stores, by files and from Google."""
