"""The page on the site's own network: names, certificates, phones. docs/phone.md."""
