"""
How fast the directory is on this machine: `python -m benchmarks`, explained in docs/performance.md.

    directory   a generated directory, loaded into a fresh database          load rate, disk
    workloads   which requests are sent, chosen from what was generated      W1, W2, W3
    processes   the server and the ceiling, each in a process of its own     start, memory
    client      the load generator, in a process of its own                  rates, latencies
    measuring   one against the other, round by round
    report      the figures, their aims, on the terminal and in Markdown
"""
