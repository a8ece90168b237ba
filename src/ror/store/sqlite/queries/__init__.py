"""
Every query of the SQLite engine, by name. No other file of the engine holds one.

    resources   resources and their versions
    changes     the change log
    rewriting   what is derived from stored bodies, derived again
    masks       masks, and the facts that travel between resources
    meta        single values of the directory, and its compression dictionaries
    clients     clients, and what was done to each
    keys        signing keys
    jobs        long work as rows
    foreign_links  the links that only an address of another server gives
    page_links  the stored queries of page links

`json_each` is the outer loop wherever a list comes in: it measured as fast as one placeholder for
each value, for any number of values. It has columns named `type` and `id`, so that those of a
resource are written with their table.
"""
