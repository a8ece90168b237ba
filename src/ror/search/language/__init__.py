"""
What a search query means.

    values            the one normal form of indexed and searched values
    words             the words of a French text
    comparing         how a stored value compares with a searched one
    expression        the search tree and its meaning, `matches`
    modifiers         the modifiers that each parameter takes
    beside            the index entries that modifiers need
    criteria          criteria: their parameter, chain and record
    criterion_values  the values of a criterion
    filter            `_filter`
    parse             a query string to a search request
    cursor            where a page ends, as opaque text
"""
