"""
A search tree to a page, for one viewer.

    engine        a search tree to the resources that match
    sight         what a viewer sees on a view
    budget        what one request may cost
    references    who refers to whom, by literal reference or by identifier
    relevance     the full-text score of each match
    ranking       the sort key of each match
    ordering      the order of matches and the page after a cursor
    inclusion     `_include` and `_revinclude`
    finding       the page, its inclusions and its links
    bodies        resource bodies, cut for a profile
    bundle        the searchset Bundle
    unknown_codes the codes that neither the nomenclatures nor the viewer know
    answer_cache  answers kept while nothing changes
    page_links    sealed page links
    in_words      a search said in words
    explaining    how a search was understood and what it cost
"""
