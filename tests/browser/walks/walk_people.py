"""The tasks of people: the first admin, users of each role, log-in, and who did what."""

from playwright.sync_api import expect

from support.real_host import PASSWORD

ROLES = {"vera": "viewer", "olga": "operator", "aldo": "admin"}


def fill(walker, form, **fields):
    """Fill the fields of a form and send it."""
    for name, value in fields.items():
        walker.page.locator(f"{form} [name={name}]").fill(value)
    walker.page.locator(f"{form} button.main").click()


def first_admin(walker):
    """The link of a new host: no default password, and the first admin."""
    page, token = walker.page, walker.host.service.access.users.new_setup_token()
    page.goto(f"{walker.host.url}/setup#{token}")
    expect(page.locator(".token")).to_be_hidden()
    walker.says("h1", "First admin")
    walker.step("setup")
    fill(walker, "#setup", name="ada", password=PASSWORD, again=f"{PASSWORD}.")
    walker.says(".outcome", "The two passwords differ.")
    fill(walker, "#setup", again=PASSWORD)
    expect(page.locator("#link")).to_have_attribute("data-state", "live")
    expect(page.locator(".who span").last).to_have_text(walker.plain("admin"))


def users(walker):
    """A user of each role, and the audit log that tells of it."""
    page = walker.page
    walker.go("/users")
    page.locator("details:has(#add-user) summary").click()
    for count, (name, role) in enumerate(ROLES.items(), 2):
        page.locator("#add-user [name=role]").select_option(role)
        fill(walker, "#add-user", name=name, password=PASSWORD)
        expect(page.locator("#users > li")).to_have_count(count)
        walker.done("#add-user .outcome", "Added.")
    walker.step("users", "#users")
    expect(page.locator("#audit tr").first).to_contain_text("aldo")
    walker.says("#audit tr", "add user")
    walker.says("#audit tr", "done")
    walker.step("audit", "#audit")
    page.locator("#users li", has_text="aldo").locator("button").last.click()
    page.locator("#sure button[value=yes]").click()
    expect(page.locator("#users > li")).to_have_count(3)
    walker.done("#users-outcome", "{name} was removed.", name="aldo")


def log_in(walker, name):
    """By name and password."""
    fill(walker, "#login", name=name, password=PASSWORD)
    expect(walker.page.locator("#link")).to_have_attribute("data-state", "live")
    expect(walker.page.locator(".who b")).to_have_text(name)


def roles(walker):
    """A wrong password, a viewer who is shown no button that acts, then the operator."""
    page = walker.page
    walker.follow(page.locator(".who"))
    expect(page.locator("#me-title")).to_have_text("ada")
    walker.step("account")
    page.locator("#out").click()
    fill(walker, "#login", name="vera", password="not the one at all")
    walker.says(".outcome", "name or password is wrong")
    walker.step("login", expected=["status of 403"])
    log_in(walker, "vera")
    walker.follow(page.locator(".node-card[data-node=idro-a] h2 a"))
    walker.says(".view-only", "View-only access: your role is {role}.",
                role=walker.plain("viewer"))
    walker.follow(page.locator(".rooms [data-room=water]"))
    for hidden in ("#control .stop", "#dose button", "#setpoints button.main"):
        expect(page.locator(hidden).first).to_be_hidden()
    walker.step("viewer")
    page.locator(".who").click()
    page.locator("#out").click()
    log_in(walker, "olga")
