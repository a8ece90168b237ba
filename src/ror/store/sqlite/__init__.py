"""
The SQLite engine of the store.

    store           the implementation of `contract.Store`
    writing         writing drafts and deletions
    changes         the change log and the instants that it issues
    dated_load      a load that keeps the dates of its source
    rewriting       deriving index entries, links and masks again from stored bodies
    upkeep          the format of a file, its backup, its upgrade
    masks           masks, and the access facts that travel between resources
    foreign_links   links to addresses of other servers
    file            the database file and its migrations
    clients         clients and acts
    queries/        every SQL query, by name
    keys            signing keys
    jobs            jobs as rows
    stored_queries  the queries of page links that are too long for an address
    group_commit    commits shared by concurrent writers
    compression     bodies and entries as zstd frames
"""
