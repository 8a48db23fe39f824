"""What nbgrader itself calls, by the names that `config` gives it; no command of ours is known here.

A file that begins with a verb is one step: a preprocessor, an exporter, a filter, or a class of the exchange.
`readable`, `wording` and `accounts` are what several of them are made with.
"""
