"""Tickets of downloads: once, for their holder, for a while."""

import pytest

from idroserra.backup.download_tickets import VALID_S, DownloadTickets, NoTicket


def test_a_ticket_is_good_once_for_its_holder_until_it_expires():
    now_s = [1_000.0]
    tickets = DownloadTickets(lambda: now_s[0])
    first, second = tickets.issue("ada"), tickets.issue("ada")
    for ticket, holder in ((first, "ada"), (second, "bea"), ("", "bea"), ("\ud800", "ada")):
        with pytest.raises(NoTicket):
            tickets.use(ticket, holder)
    now_s[0] += VALID_S
    tickets.use(second, "ada")
    with pytest.raises(NoTicket):
        tickets.use(second, "ada")
    third = tickets.issue("ada")
    now_s[0] += VALID_S + 1
    with pytest.raises(NoTicket):
        tickets.use(third, "ada")
