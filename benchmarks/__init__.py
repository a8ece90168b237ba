"""
The benchmark of the directory: `python -m benchmarks`, explained in docs/performance.md.

    directory   a generated directory, loaded into a new database            load rate, disk
    seen        the resources, codes and identifiers that requests can name
    workloads   the requests of each workload                                W1 to W5
    paging      totals, and pages far from the first                         W10
    engine      the time inside the search, in a process of its own
    processes   the servers and the ceiling, each in a process of its own    start, memory
    recording   responses of a server, recorded once and checked
    ceiling     a server that only sends recorded responses
    by_turns    a server that switches its audit trail on and off
    client      the load generator, in a process of its own                  rates, latencies
    measuring   servers compared round by round
    report      figures and targets, on the terminal and in Markdown
"""
