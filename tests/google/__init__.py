"""Google Wallet without Google: what an issuer's server and a holder's phone meet, on one socket.

Google keeps a *class* (what many cards share) and an *object* (one card) for each pass; an issuer's
server writes both over REST, with a token it gets for a signed assertion. A holder opens a *save
link*, a signed JWT that names an object; from then on the card changes by itself when the object
does. What a holder saves or removes, Google tells the issuer by a signed *callback*.

    async with FakeGoogle() as google:
        ...  # whatever is tried, with google.key_file, at google.url, trusting google.root
        (card,) = await google.save(link)
        google.faults.lose(of="PATCH")
        google.clock.advance(hours=24)
        assert google.objects[card.object["id"]].document == expected

`FakeGoogle` does all this and refuses what Google refuses, with Google's words. It knows nothing of
Passwright: whatever speaks to Google Wallet can be tried on it.

| module | what |
| --- | --- |
| `server` | `FakeGoogle`: everything below on a TLS socket, for tests and for the command line |
| `routes` | its HTTP: tokens, REST, keys, save links |
| `accounts` | service accounts, their keys, the tokens given for their assertions |
| `rules` | what is wrong with a class or an object by itself |
| `resources` | classes and objects, and what a request does to them |
| `quotas` | requests a second of a project, notices a day of a card |
| `links`, `holders` | save links; who holds which card, and what they see of it |
| `callbacks` | Google's signing keys, and callbacks signed with them |
| `cards` | a card as text |
| `faults`, `clock` | what goes wrong on order; the time, which tests may set |
| `world` | all of these, put together |
"""
