"""
The SQLite engine of the store.

    store         the contract, implemented
    writing       durable writes
    masks         masks and the facts that travel between resources
    file          the database file and its migrations
    clients       clients and acts
    keys          signing keys
    group_commit  commits shared by concurrent writers
    compression   bodies and entries as zstd frames
"""
