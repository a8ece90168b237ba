"""
From a search tree to a page of results, for one viewer.

    engine        a search tree to the resources that match
    sight         what a viewer sees on a view
    budget        what one request may cost
    references    which resources refer to which, by literal reference or by identifier
    relevance     the full-text score of each match
    ranking       the sort key of each match
    ordering      the order of matches and the page after a cursor
    inclusion     `_include` and `_revinclude`
    finding       the page, its inclusions and its links
    bodies        the cache of bodies, cut for a profile
    bundle        the searchset Bundle
    unknown_codes the codes that are in no nomenclature and in no resource that the viewer sees
    answer_cache  the cache of answers, valid while nothing changes
    page_links    page links with encrypted cursors
    in_words      a search in words
    explaining    how a search was understood and what it cost
"""
