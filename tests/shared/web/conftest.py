import pytest

from shared.web.pages import Frame, Pages
from shared.web.statics import StaticFiles


@pytest.fixture(scope="session")
def statics():
    return StaticFiles()


@pytest.fixture(scope="session")
def pages(statics):
    return Pages(app_name="Gatehouse", support_url="https://support.example/help", statics=statics)


@pytest.fixture
def frame():
    return Frame("0a1b2c3d", "Ada Lovelace", "csrf-token", "/org/contoso/projects?top=5")


@pytest.fixture
def stranger():
    return Frame("0a1b2c3d", path="/org/contoso/projects?top=5")
