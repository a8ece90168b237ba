"""
The meaning of a search query.

    values            the one normal form of indexed and searched values
    words             the words of a French text
    comparing         comparing an indexed value with the value of a search
    entry_names       the names of index entries
    expression        the search tree and its meaning, `matches`
    criterion_values  the values of a criterion, by type of parameter
    modifiers         the table of modifiers
    criteria          the parameter, chain and record of a criterion
    filter            `_filter`
    request           a search that was read
    parse             reading a query string
    cursor            the end of a page, as opaque text
"""
