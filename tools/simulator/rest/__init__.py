"""The REST APIs of dev.azure.com and the profile and accounts APIs of app.vssps.visualstudio.com."""
