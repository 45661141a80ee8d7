from django.urls import path

from marketplaces.webhooks import receive

urlpatterns = [path("hooks/<uuid:marketplace_id>", receive)]
