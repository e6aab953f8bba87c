"""`GET /docs`: a page to try the calls. Its script is one version of a public CDN's, and runs only as that is."""

from libs.web.answers import Answer

VERSION = "5.30.2"
FILES = f"https://cdn.jsdelivr.net/npm/swagger-ui-dist@{VERSION}"
# Keys are pasted into this page: a browser that gets another file than these does not run it.
SCRIPT = "sha384-bBdB196maIUakX6v2F6J0XcjddQfaENm8kASsYfqTKCZua9xlYNh1AdtL18PGr0D"
STYLE = "sha384-++DMKo1369T5pxDNqojF1F91bYxYiT1N7b1M15a7oCzEodfljztKlApQoH6eQSKI"

PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Wabus</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{FILES}/swagger-ui.css" integrity="{STYLE}" crossorigin="anonymous">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{FILES}/swagger-ui-bundle.js" integrity="{SCRIPT}" crossorigin="anonymous"></script>
<script>
SwaggerUIBundle({{url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true}})
</script>
</body>
</html>
"""


def docs_page() -> Answer:
    """Return the page."""
    return Answer(PAGE.encode(), media=b"text/html; charset=utf-8")
