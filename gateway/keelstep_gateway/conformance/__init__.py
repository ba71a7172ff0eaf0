"""Does a tool keep its contract? Asked of the tool itself, through the gateway's own transports.

What is here: `command` (`keelstep contract test`), `cases` (what a test needs to know besides the contract), `suite`
(which questions are asked), a module for each kind of question (`statics`, `behaviour`, `repetition`, `undoing`,
`recorded`), `edges` (arguments), `caller` and `proxy` (calls, and how they go wrong), `report`. What is not: any way to
pass without proof; what was not shown is `NotProven`. Start with `suite`.
"""
