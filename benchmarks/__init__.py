"""
How fast the directory is on this machine: `python -m benchmarks`, explained in docs/performance.md.

    directory   a generated directory, loaded into a fresh database          load rate, disk
    seen        what there is to ask for in it
    workloads   which requests are sent                                      W1 to W5
    paging      totals alone, pages far from the first                       W10
    engine      the time inside the search, in a process of its own
    processes   the servers and the ceiling, each in a process of its own    start, memory
    recording   the answers of a server, asked once and checked
    ceiling     a server that does nothing but send what was recorded
    client      the load generator, in a process of its own                  rates, latencies
    measuring   one side against another, round by round
    report      the figures, their aims, on the terminal and in Markdown
"""
