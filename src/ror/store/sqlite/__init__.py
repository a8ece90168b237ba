"""
The SQLite engine of the store.

    store         the contract, implemented
    writing       durable writes
    changes       the change log and the instants that it issues
    dated_load    a load that keeps the dates of its source
    rewriting     what is derived from stored bodies, derived again
    upkeep        the form of a file, its backup, its upgrade
    masks         masks and the facts that travel between resources
    foreign_links  links that only an address of another server gives
    file          the database file and its migrations
    clients       clients and acts
    queries/      every SQL query, by name
    keys          signing keys
    jobs          long work as rows
    stored_queries  the queries of page links that are too long for an address
    group_commit  commits shared by concurrent writers
    compression   bodies and entries as zstd frames
"""
