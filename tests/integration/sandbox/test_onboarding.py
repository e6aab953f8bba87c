"""Tokens, apps, Embedded Signup, subscriptions and their callbacks."""

from tests.support.sandbox import APP_ID, APP_SECRET, VERIFY_TOKEN, Box, Receiver, receiver, until


async def debug(box: Box, token: str, viewer: str = f"{APP_ID}|{APP_SECRET}") -> dict[str, object]:
    answer = await box.http.get("/v25.0/debug_token", params={"input_token": token, "access_token": viewer})
    return dict(answer.json())


async def test_a_token_is_described_with_what_it_reaches(box: Box) -> None:
    told = await debug(box, box.account["access_token"])
    data = told["data"]
    assert isinstance(data, dict)
    assert (data["app_id"], data["is_valid"], data["type"], data["expires_at"]) == (APP_ID, True, "SYSTEM_USER", 0)
    assert {scope["scope"]: scope["target_ids"] for scope in data["granular_scopes"]} == {
        "whatsapp_business_management": [box.waba_id],
        "whatsapp_business_messaging": [box.waba_id],
    }
    await box.control("POST", f"/accounts/{box.waba_id}/events", {"event": "TOKEN_REVOKED"})
    told = await debug(box, box.account["access_token"])
    assert isinstance(told["data"], dict)
    assert (told["data"]["is_valid"], told["data"]["error"]["code"]) == (False, 190)
    unknown = await debug(box, "EAAx")
    assert isinstance(unknown["data"], dict)
    assert unknown["data"]["is_valid"] is False


async def test_a_token_of_another_app_is_not_described_to_us_but_to_its_own(box: Box) -> None:
    foreign = await box.control("POST", "/accounts", {"foreign_app": True})
    told = await debug(box, foreign["access_token"])
    assert "error" in told
    assert isinstance(told["error"], dict)
    assert told["error"]["message"] == "(#100) The App_id in the input_token did not match the Viewing App"
    told = await debug(box, foreign["access_token"], f"{foreign['app_id']}|{foreign['app_secret']}")
    assert isinstance(told["data"], dict)
    assert told["data"]["app_id"] == foreign["app_id"]
    assert (await debug(box, foreign["access_token"], f"{APP_ID}|wrong"))["error"]


async def test_a_code_of_embedded_signup_works_once_within_thirty_seconds(box: Box) -> None:
    wish = {"client_id": APP_ID, "client_secret": APP_SECRET, "code": box.account["code"]}
    token = (await box.http.get("/v25.0/oauth/access_token", params=wish)).json()["access_token"]
    assert (await box.graph("GET", f"/{box.waba_id}", token=token)).status_code == 200
    used = (await box.http.get("/v25.0/oauth/access_token", params=wish)).json()["error"]
    assert (used["code"], used["error_subcode"]) == (100, 36009)
    fresh = (await box.control("POST", f"/accounts/{box.waba_id}/code"))["code"]
    await box.control("PUT", "/clock", {"advance_seconds": 31})
    expired = (await box.http.get("/v25.0/oauth/access_token", params=wish | {"code": fresh})).json()["error"]
    assert (expired["code"], expired["error_subcode"]) == (100, 36007)
    wrong = await box.http.get("/v25.0/oauth/access_token", params=wish | {"client_secret": "x"})
    assert wrong.json()["error"]["message"] == "Error validating client secret."
    app = await box.http.get(
        "/oauth/access_token",
        params={"client_id": APP_ID, "client_secret": APP_SECRET, "grant_type": "client_credentials"},
    )
    assert app.json()["access_token"] == f"{APP_ID}|{APP_SECRET}"


async def test_accounts_and_numbers_show_the_fields_that_are_asked_for(box: Box) -> None:
    await box.connect(throughput=1000, messaging_limit=2000, numbers=3)
    account = (await box.graph("GET", f"/{box.waba_id}?fields=currency,country,health_status{{id}}")).json()
    assert set(account) == {"id", "currency", "country", "health_status"}
    page = (await box.graph("GET", f"/{box.waba_id}/phone_numbers?limit=2")).json()
    assert [row["throughput"] for row in page["data"]] == [{"level": "HIGH"}] * 2
    assert page["paging"]["next"]
    rest = (
        await box.graph("GET", f"/{box.waba_id}/phone_numbers?limit=2&after={page['paging']['cursors']['after']}")
    ).json()
    assert len(rest["data"]) == 1
    assert "next" not in rest["paging"]
    assert rest["paging"]["cursors"]["after"]
    number = (
        await box.graph("GET", f"/{box.number}?fields=quality_rating,whatsapp_business_manager_messaging_limit,status")
    ).json()
    assert number == {
        "quality_rating": "GREEN", "whatsapp_business_manager_messaging_limit": "TIER_2K", "status": "CONNECTED",
        "id": box.number,
    }  # fmt: skip


async def test_a_pin_is_set_once_and_must_be_the_same_after(box: Box) -> None:
    body = {"messaging_product": "whatsapp", "pin": "123456"}
    assert (await box.graph("POST", f"/{box.number}/register", body)).status_code == 200
    wrong = (await box.graph("POST", f"/{box.number}/register", body | {"pin": "654321"})).json()["error"]
    assert wrong["code"] == 133005
    assert (await box.graph("POST", f"/{box.number}/register", body | {"pin": "12"})).json()["error"]["code"] == 100
    assert (await box.graph("POST", f"/{box.number}", {"pin": "222222"})).status_code == 200
    assert (await box.graph("POST", f"/{box.number}/register", body | {"pin": "222222"})).status_code == 200
    for _ in range(8):
        last = await box.graph("POST", f"/{box.number}/register", body)
    assert last.json()["error"]["code"] == 133016


async def test_subscribing_a_callback_of_ones_own_needs_its_consent(box: Box, heard: Receiver) -> None:
    async with receiver() as own:
        foreign = await box.connect(subscribe=False, foreign_app=True)
        own.secret = foreign["app_secret"]
        wish = {"override_callback_uri": own.url, "verify_token": VERIFY_TOKEN}
        refused = await box.graph("POST", f"/{box.waba_id}/subscribed_apps", wish | {"verify_token": "wrong"})
        assert refused.json()["error"]["code"] == 2200
        assert (await box.graph("POST", f"/{box.waba_id}/subscribed_apps", wish)).json() == {"success": True}
        listed = (await box.graph("GET", f"/{box.waba_id}/subscribed_apps")).json()["data"]
        assert listed[0]["whatsapp_business_api_data"]["id"] == foreign["app_id"]
        assert listed[0]["override_callback_uri"] == own.url
        await box.writes()
        await until(lambda: own.messages)
        assert own.badly_signed == []
        assert heard.attempts == 0
        await box.graph("DELETE", f"/{box.waba_id}/subscribed_apps")
        assert (await box.graph("GET", f"/{box.waba_id}/subscribed_apps")).json() == {"data": []}


async def test_a_numbers_own_callback_goes_before_the_accounts(box: Box, heard: Receiver) -> None:
    async with receiver() as own:
        wish = {"webhook_configuration": {"override_callback_uri": own.url, "verify_token": VERIFY_TOKEN}}
        assert (await box.graph("POST", f"/{box.number}", wish)).status_code == 200
        await box.writes()
        await until(lambda: own.messages)
        cleared = {"webhook_configuration": {"override_callback_uri": ""}}
        await box.graph("POST", f"/{box.number}", cleared)
        await box.writes()
        await until(lambda: heard.messages)
        assert len(own.messages) == 1
