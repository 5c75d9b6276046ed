from django.db import migrations


def fill(apps, schema_editor):
    """Else the first scan would take old rows for falsified."""
    rows = apps.get_model("vault", "Checkpoint").objects.filter(val_set__isnull=False)
    changed = []
    for row in rows.iterator():
        row.val_set_sha256 = row.val_set.get("sha256", "")
        changed.append(row)
    rows.model.objects.bulk_update(changed, ["val_set_sha256"], batch_size=500)


class Migration(migrations.Migration):

    dependencies = [
        ('vault', '0004_assets_copies_and_jobs'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
