"""
What a search query means.

    values            the one normal form of indexed and searched values
    words             the words of a French text
    comparing         how a stored value compares with a searched one
    entry_names       the names of index entries
    expression        the search tree and its meaning, `matches`
    criterion_values  the values of a criterion, by type of parameter
    modifiers         the modifiers: one row says all that each means
    criteria          criteria: their parameter, chain and record
    filter            `_filter`
    request           a search that was read
    parse             reading a query string
    cursor            where a page ends, as opaque text
"""
