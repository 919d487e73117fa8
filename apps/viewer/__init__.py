"""The trace viewer: what `reflectree view` shows in a browser, and how it gets there.

`data` turns a trace into columns, `prompts` rebuilds what models were shown, `html` makes one document of data and
page, `sources` says where traces come from and follows those that grow, `server` hands it all out on the loopback
address. The page itself is plain JavaScript in the folder `page`; it needs no network and no library.
"""
