from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('vault', '0005_digests_of_validation_sets'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='silent_seconds',
            field=models.FloatField(db_default=0.0, default=0.0, help_text='All pauses between its tries while a zone did not answer.'),
        ),
    ]
