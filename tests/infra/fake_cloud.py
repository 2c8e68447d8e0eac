"""`az` and `azd` in one program, told apart by its name: a small Azure that lives in the file $FAKE_STATE.

Every call is noted in $FAKE_CALLS with its arguments, standard input and environment. `rules` of the state are taken
in their order: {"when": "keyvault secret set", "error": "…", "times": 2} refuses, {"when": …, "sleep": 60} hangs.
"""

import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import NoReturn

CREATED = "2026-11-01T10:00:00+00:00"
SECRET_NOT_FOUND = "(SecretNotFound) A secret with (name/id) {} was not found in this key vault."


class Fake:
    def __init__(self) -> None:
        self.path = Path(os.environ["FAKE_STATE"])
        self.state = json.loads(self.path.read_text())
        self.program = Path(sys.argv[0]).name
        self.arguments = sys.argv[1:]
        self.line = " ".join(self.arguments)
        self.read_file = ""

    def main(self) -> None:
        call = {"program": self.program, "argv": self.arguments, "stdin": sys.stdin.read(), "env": dict(os.environ)}
        with Path(os.environ["FAKE_CALLS"]).open("a") as calls:
            calls.write(json.dumps(call) + "\n")
        self.obey_rules()
        answer = self.azd() if self.program == "azd" else self.az()
        if answer is not None:
            sys.stdout.write(json.dumps(answer) + "\n")

    def obey_rules(self) -> None:
        for rule in self.state.get("rules", []):
            if rule["when"] not in f"{self.program} {self.line}" or rule.get("times") == 0:
                continue
            if "times" in rule:
                rule["times"] -= 1
                self.save()
            time.sleep(rule.get("sleep", 0))
            text = rule["error"].replace(
                "{content}", Path(self.option("--file")).read_text() if "{c" in rule["error"] else ""
            )
            self.refuse(text)

    def azd(self) -> object:
        if self.arguments[:2] == ["env", "get-values"]:
            return self.state["azd"]
        if self.arguments[:2] == ["env", "set"]:
            self.state["azd"][self.arguments[2]] = self.arguments[3]
            self.save()
        return None

    def az(self) -> object:
        words = [word for word in self.arguments[:4] if not word.startswith("-")]
        for length in (4, 3, 2):
            answer = getattr(self, "_".join(words[:length]).replace("-", "_"), None)
            if answer is not None:
                return answer()
        return self.refuse(f"the fake knows no {words}")

    def account_show(self) -> object:
        account = self.state["account"]
        return account["tenantId"] if self.option("--query") == "tenantId" else account

    def provider_show(self) -> object:
        return self.state.get("provider", "NotRegistered")

    def keyvault_secret_show(self) -> object:
        name = self.option("--name")
        versions = self.state["secrets"].get(name)
        if not versions:
            self.refuse(SECRET_NOT_FOUND.format(name))
        newest = versions[-1]
        attributes = {"created": newest.get("created", CREATED), "expires": newest.get("expires"), "enabled": True}
        return {"id": f"https://v.vault.azure.net/secrets/{name}", "value": newest["value"], "attributes": attributes}

    def keyvault_secret_set(self) -> object:
        file = Path(self.option("--file"))
        version = {
            "value": file.read_text(),
            "file_mode": oct(stat.S_IMODE(file.stat().st_mode)),
            "folder_mode": oct(stat.S_IMODE(file.parent.stat().st_mode)),
            "expires": self.option("--expires"),
        }
        self.state["secrets"].setdefault(self.option("--name"), []).append(version)
        self.save()
        return "https://v.vault.azure.net/secrets/x/1"

    def ad_signed_in_user_show(self) -> object:
        return self.state["object_id"]

    def ad_sp_show(self) -> object:
        if self.option("--id") == self.state["account"]["user"]["name"]:
            return self.state["object_id"]
        if self.option("--id") not in self.state["service_principals"]:
            self.refuse(f"Resource '{self.option('--id')}' does not exist (Request_ResourceNotFound)")
        return "object-id"

    def ad_sp_create(self) -> object:
        self.state["service_principals"].append(self.option("--id"))
        self.save()
        return "object-id"

    def ad_app_list(self) -> object:
        wanted = self.option("--filter").split("'")[1]
        return [app["appId"] for app in self.state["apps"] if app["displayName"] == wanted]

    def ad_app_create(self) -> object:
        app = {
            "appId": f"00000000-0000-4000-8000-{len(self.state['apps']):012}",
            "displayName": self.option("--display-name"),
            "signInAudience": self.option("--sign-in-audience"),
            "web": {"redirectUris": []},
            "federated": [],
        }
        self.state["apps"].append(app)
        self.save()
        return app

    def ad_app_show(self) -> object:
        return self.app()

    def ad_app_update(self) -> object:
        first = self.arguments.index("--web-redirect-uris") + 1
        rest = self.arguments[first:]
        end = next((index for index, word in enumerate(rest) if word.startswith("--")), len(rest))
        self.app()["web"]["redirectUris"] = rest[:end]
        self.save()
        return None

    def ad_app_federated_credential_list(self) -> object:
        return self.app()["federated"]

    def ad_app_federated_credential_create(self) -> object:
        made = json.loads(Path(self.option("--parameters").removeprefix("@")).read_text())
        self.app()["federated"].append({"id": f"fic-{len(self.app()['federated'])}", **made})
        self.save()
        return None

    def ad_app_federated_credential_update(self) -> object:
        changed = json.loads(Path(self.option("--parameters").removeprefix("@")).read_text())
        wanted = self.option("--federated-credential-id")
        next(known for known in self.app()["federated"] if known["id"] == wanted).update(changed)
        self.save()
        return None

    def functionapp_show(self) -> object:
        return self.state["host"]

    def functionapp_function_list(self) -> object:
        return [f"{self.option('--name')}/{name}" for name in self.state["functions"]]

    def functionapp_keys_list(self) -> object:
        return self.state["master_key"]

    def app(self) -> dict[str, object]:
        for app in self.state["apps"]:
            if app["appId"] == self.option("--id"):
                return app
        return self.refuse(f"Resource '{self.option('--id')}' does not exist (Request_ResourceNotFound)")

    def option(self, name: str) -> str:
        return self.arguments[self.arguments.index(name) + 1] if name in self.arguments else ""

    def save(self) -> None:
        self.path.write_text(json.dumps(self.state))

    def refuse(self, text: str) -> NoReturn:
        sys.stderr.write(f"ERROR: {text}\n")
        sys.exit(1)


if __name__ == "__main__":
    Fake().main()
